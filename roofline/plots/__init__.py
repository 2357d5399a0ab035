"""Which figure of what: works out what a figure needs beyond an analysis, and hands it to the figure's builder."""
