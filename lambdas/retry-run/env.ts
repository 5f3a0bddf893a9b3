import * as z from 'zod';
import {
  backupMachineVariables,
  machineVariables,
  restoreMachineVariables,
  stateVariables,
} from '../_shared/environment.ts';

export const environment = z.object({
  ...stateVariables,
  ...machineVariables,
  ...backupMachineVariables,
  ...restoreMachineVariables,
});
