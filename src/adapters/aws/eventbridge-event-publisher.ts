import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type { EventPublisher } from '../../application/ports/event-publisher.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { eventSource } from '../../domain/events.ts';

/** Puts events on the account's default bus, where rules (the stage's own and the user's) pick them up. */
export class EventBridgeEventPublisher implements EventPublisher {
  readonly #client: EventBridgeClient;

  constructor(client: EventBridgeClient) {
    this.#client = client;
  }

  async publish(event: Parameters<EventPublisher['publish']>[0]): Promise<void> {
    const entry = { Source: eventSource, DetailType: event.detailType, Detail: JSON.stringify(event.detail) };
    const { Entries: [refused] = [] } = await this.#client.send(new PutEventsCommand({ Entries: [entry] }));
    // An entry can be refused in an answer that is a success.
    if (refused?.ErrorCode === undefined) return;
    throw new HoldfastError(
      'Internal',
      `EventBridge refused the event ${event.detailType}: ${refused.ErrorCode} ${refused.ErrorMessage ?? ''}`,
    );
  }
}
