import * as z from 'zod';
import { stageVariables, stateVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...stateVariables, ...stageVariables });
