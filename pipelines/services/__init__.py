"""The services of a home, as processes: started, watched and stopped together or one by one."""
