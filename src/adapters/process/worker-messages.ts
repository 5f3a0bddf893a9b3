import * as z from 'zod';

/**
 * What passes over the channel between the process that runs the workflow and a worker. The worker asks, each question with
 * an id of its own; the other side answers each.
 */
export const workerQuestionSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('heartbeat'), id: z.int(), token: z.string() }),
  z.strictObject({ type: z.literal('success'), id: z.int(), token: z.string(), output: z.unknown() }),
  z.strictObject({ type: z.literal('failure'), id: z.int(), token: z.string(), error: z.string(), cause: z.string() }),
]);
export type WorkerQuestion = z.infer<typeof workerQuestionSchema>;

/** What a worker is started for: the first message that it gets, and the only place where token and secrets pass. */
export const workerTaskMessageSchema = z.strictObject({
  type: z.literal('start'),
  runId: z.string(),
  taskKey: z.string(),
  taskToken: z.string(),
  /** Environment variables that hold credentials: not in the worker's own environment, which /proc shows. */
  environment: z.record(z.string(), z.string()),
});
export type WorkerTaskMessage = z.infer<typeof workerTaskMessageSchema>;

export const workerAnswerSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('answered'), id: z.int(), wanted: z.boolean() }),
  z.strictObject({ type: z.literal('refused'), id: z.int(), name: z.string(), message: z.string() }),
]);
export type WorkerAnswer = z.infer<typeof workerAnswerSchema>;
