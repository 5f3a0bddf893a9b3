import * as z from 'zod';
import { stateVariables, workerVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...workerVariables });
