import * as z from 'zod';
import { machineVariables, stageVariables, stateVariables, workerVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...stageVariables, ...machineVariables, ...workerVariables });
