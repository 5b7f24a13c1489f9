"""Airflow from outside: its REST API, its server, the names of what it runs.

Imports nothing of Airflow.
"""
