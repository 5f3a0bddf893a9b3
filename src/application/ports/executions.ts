/** Whether a workflow is still running: what a lease rests on (AWS: DescribeExecution; embedded: the journal and its process). */
export interface Executions {
  isRunning(runId: string): Promise<boolean>;
}
