import * as z from 'zod';
import { configVariables, restoreMachineVariables, stateVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...configVariables, ...restoreMachineVariables });
