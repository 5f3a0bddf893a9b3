import * as z from 'zod';
import { configVariables, stateVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...configVariables });
