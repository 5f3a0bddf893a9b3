import * as z from 'zod';
import { configVariables, machineVariables, stateVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...configVariables, ...machineVariables });
