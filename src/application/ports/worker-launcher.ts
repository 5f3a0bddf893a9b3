/** Starts the program that moves data: a Fargate task on AWS, a child process in embedded mode. */
export interface WorkerLauncher {
  /**
   * Starts one worker for the task document at `taskKey` (state storage), which names command, plan and part.
   * Idempotent per task token: a state that runs again with the same token starts no second worker.
   * Resolves when the worker is started, not when it ends: it answers by the token.
   */
  launch(task: { readonly runId: string; readonly taskKey: string; readonly taskToken: string }): Promise<void>;
  /**
   * Stops every worker of the run, or only those of the attempts named (`<command>-<part>-<attempt>`), and resolves when
   * none of them is left: nothing that they had begun is written any more.
   */
  stopAll(runId: string, attempts?: readonly string[]): Promise<void>;
}
