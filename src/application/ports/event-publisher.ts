/** Tells the outside that something happened; a failure to publish never fails a run. */
export interface EventPublisher {
  publish(event: { readonly detailType: string; readonly detail: Readonly<Record<string, unknown>> }): Promise<void>;
}
