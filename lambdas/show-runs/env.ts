import * as z from 'zod';
import { machineVariables, stateVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...machineVariables });
