"""Who of a telecom's customers will leave?"""
