"""The stage `monitor`: is the input as it was, and were the scores right?"""
