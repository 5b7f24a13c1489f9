"""How a page is made: templates, charts, documents."""
