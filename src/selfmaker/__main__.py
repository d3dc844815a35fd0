"""``python -m selfmaker``."""

from selfmaker.cli.main import main

if __name__ == "__main__":
    main()
