"""`python -m repscape` is the command `repscape`."""

from repscape.cli.main import main

main()
