"""Spark: its session, its cluster, its jars."""
