import { entry, type ErrorEntry } from '../error-entry.ts';

/** Wrong commands, requests and configurations. */
export const usageErrors = {
  InvalidConfig: entry(
    'HF-1001',
    'usage',
    'The configuration is wrong.',
    'Correct the listed paths and run `holdfast config check`.',
  ),
  InvalidInput: entry(
    'HF-1002',
    'usage',
    'The input of a command or a workflow is wrong.',
    'Write what the message expects and start again.',
  ),
  UnknownDeployment: entry(
    'HF-1003',
    'usage',
    'No deployment of that name is configured.',
    'Use one of the configured names, or add it to the config file.',
  ),
  UnknownStorage: entry(
    'HF-1004',
    'usage',
    'No storage of that name is configured.',
    'Use one of the configured names, or add it to the config file.',
  ),
  UnknownBackup: entry(
    'HF-1005',
    'usage',
    'No backup of that id is in the storages.',
    'List what there is with `holdfast list`.',
  ),
  UnknownRun: entry(
    'HF-1006',
    'usage',
    'No run of that id is in the state storage.',
    'List the runs with `holdfast status`.',
  ),
  InvalidStateMachine: entry(
    'HF-1007',
    'usage',
    'A state machine file is wrong, or uses what the embedded engine does not implement.',
    'Correct the listed paths of the file.',
  ),
  MethodNotAvailable: entry(
    'HF-1008',
    'usage',
    'The method asked for is not possible for this deployment.',
    'Leave the method out, or ask for one that the message names.',
  ),
  CredentialsUnavailable: entry(
    'HF-1009',
    'usage',
    'The credentials could not be read.',
    'Provide the environment variable, the file or the secret that the config names.',
  ),
  MongodUnavailable: entry(
    'HF-1010',
    'usage',
    'No usable mongod was found.',
    'Put a mongod on the PATH, or name one by HOLDFAST_MONGOD.',
  ),
  ObjectServerUnavailable: entry(
    'HF-1011',
    'usage',
    'No S3 server for the demo or the tests could be had.',
    'Install Python 3.10 or later with pip; `npm run setup` says more.',
  ),
  TimeNotRestorable: entry(
    'HF-1012',
    'usage',
    'The deployment cannot be restored to the time asked for.',
    'Choose a time of the ranges that `holdfast window` shows.',
  ),
} as const satisfies Record<string, ErrorEntry>;
