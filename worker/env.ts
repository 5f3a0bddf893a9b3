import * as z from 'zod';

/** Variables of the worker's container. The task definition sets them, but for the pointer, which each task gets for itself. */
export const environment = z.object({
  STATE_BUCKET: z.string().min(3),
  /** Key of the task document in the state bucket: command, part and token. */
  HOLDFAST_TASK_KEY: z.string().min(1),
  /** Where the volume of a worker that has one is mounted. */
  VOLUME_PATH: z.string().startsWith('/').optional(),
});
