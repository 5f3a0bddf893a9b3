import * as z from 'zod';
import { configVariables } from '../_shared/environment.ts';

export const environment = z.object({ ...configVariables });
