"""``python -m autospec`` is the command ``autospec``."""

from autospec.cli import main

if __name__ == "__main__":
    main()
