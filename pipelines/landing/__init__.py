"""The landing zone: a folder a day for each feed, with part files and a manifest."""
