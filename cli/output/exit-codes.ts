/** Left by a second Ctrl-C, before the run had cleaned up: what shells use for SIGINT. The others are in the error registry. */
export const exitCodeLeftAtOnce = 130;
