"""The command line: parsing arguments and printing; what is computed lives in other rooms."""
