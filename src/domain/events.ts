/** The source of every event that Holdfast publishes. */
export const eventSource = 'holdfast';
