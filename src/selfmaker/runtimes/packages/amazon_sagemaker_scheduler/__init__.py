"""Stand-in for the program that runs notebook jobs in AWS's images: a notebook goes through papermill."""
