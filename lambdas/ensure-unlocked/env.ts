import * as z from 'zod';
import { stateVariables } from '../_shared/environment.ts';

export const environment = z.object(stateVariables);
