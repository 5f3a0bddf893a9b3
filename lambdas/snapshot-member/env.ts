import * as z from 'zod';
import { finderVariables, lockVariables, stateVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...finderVariables, ...lockVariables });
