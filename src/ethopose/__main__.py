"""`python -m ethopose`."""

from ethopose.cli.app import main

main()
