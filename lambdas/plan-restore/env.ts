import * as z from 'zod';
import {
  configVariables,
  stageVariables,
  stateVariables,
  volumeWorkerVariables,
  workerVariables,
} from '../_shared/environment.ts';

export const environment = z.object({
  ...stateVariables,
  ...stageVariables,
  ...configVariables,
  SUBNET_IDS: workerVariables.SUBNET_IDS,
  VOLUME_TASK_DEFINITIONS: volumeWorkerVariables.VOLUME_TASK_DEFINITIONS,
});
