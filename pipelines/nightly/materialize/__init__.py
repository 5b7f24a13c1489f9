"""The stage `materialize`."""
