// Runs one bundled function as Lambda's runtime does: imported once, called with JSON, answered with JSON.
import { parentPort, workerData } from 'node:worker_threads';

const { handler } = await import(workerData.bundle);
const context = (id) => ({
  awsRequestId: id,
  functionName: workerData.name,
  getRemainingTimeInMillis: () => workerData.timeout,
});

parentPort.on('message', async ({ id, payload }) => {
  try {
    const result = await handler(JSON.parse(payload), context(id));
    parentPort.postMessage({ id, result: JSON.stringify(result ?? null) });
  } catch (error) {
    const { name, message, stack } = error;
    parentPort.postMessage({ id, error: { errorType: name, errorMessage: message, trace: stack.split('\n') } });
  }
});
