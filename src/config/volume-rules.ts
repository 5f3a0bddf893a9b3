import * as z from 'zod';
import { volumeId } from '../domain/ebs-settings.ts';
import type { ProblemWithoutPlace } from './config-problems.ts';

/** Rules over the volumes of a deployment: on AWS they are EBS volumes, elsewhere data directories of this machine. */

const text = z.string().optional().catch(undefined);

/** What the rules look at of a deployment. */
export const volumeRuleInput = {
  method: text,
  mongodbVersion: text,
  lock: z.unknown().optional(),
  volumes: z
    .record(z.string(), z.union([z.string(), z.array(z.string())]))
    .optional()
    .catch(undefined),
  ebs: z.object({ tags: z.unknown().optional(), instance: z.unknown().optional() }).optional().catch(undefined),
  schedules: z
    .record(z.string(), z.object({ method: text }).catch({}))
    .optional()
    .catch(undefined),
};
type VolumeRuleInput = z.infer<z.ZodObject<typeof volumeRuleInput>>;

/** @param onAws whether the config is one of a stage on AWS */
export function volumeProblems(name: string, deployment: VolumeRuleInput, onAws: boolean): ProblemWithoutPlace[] {
  return onAws ? awsProblems(name, deployment) : localProblems(name, deployment);
}

function localProblems(name: string, { volumes = {}, ebs }: VolumeRuleInput): ProblemWithoutPlace[] {
  const at = (...keys: string[]) => ['deployments', name, ...keys];
  const lists = Object.entries(volumes).filter(([, given]) => typeof given !== 'string');
  return [
    ...lists.map(([host, given]) => ({
      path: at('volumes', host),
      given: String(given),
      expected: 'one path: the data directory of that member',
      next: 'Write the path alone. Only on AWS (network) data lies on several volumes.',
    })),
    ...(ebs === undefined
      ? []
      : [
          {
            ...{ path: at('ebs'), given: 'ebs', expected: 'nothing: there is no network, so this is no stage on AWS' },
            next: 'Name the data directories of the members under volumes.',
          },
        ]),
  ];
}

function awsProblems(name: string, deployment: VolumeRuleInput): ProblemWithoutPlace[] {
  const { volumes, ebs, mongodbVersion, lock } = deployment;
  const at = (...keys: string[]) => ['deployments', name, ...keys];
  const problems: ProblemWithoutPlace[] = Object.entries(volumes ?? {}).flatMap(([host, given]) =>
    [given].flat().flatMap((id) =>
      volumeId.test(id)
        ? []
        : [
            {
              ...{ path: at('volumes', host), given: id, expected: 'the id of an EBS volume, or a list of them' },
              next: 'Write for example vol-0123456789abcdef0.',
            },
          ],
    ),
  );
  const findable = volumes !== undefined || ebs?.tags !== undefined || ebs?.instance === true;
  if (!findable && lock === true)
    problems.push({
      ...{ path: at('lock'), given: 'true', expected: 'a volume to snapshot: only then a member is locked' },
      next: 'Name the EBS volumes of its members under volumes, or how they are found under ebs, or leave lock out.',
    });
  if (!findable && ebs !== undefined)
    problems.push({
      ...{ path: at('ebs'), given: 'neither tags nor instance', expected: 'how the volumes are found' },
      next: 'Add ebs.tags or ebs.instance: true, or name the volumes under volumes.',
    });
  if (findable && mongodbVersion === undefined)
    problems.push({
      ...{ path: at('mongodbVersion'), given: 'nothing', expected: 'the version of mongod that opens such files' },
      next: 'Add mongodbVersion, such as 6.0.5: the stage builds the image of its workers with it.',
    });
  return [...problems, ...(findable ? [] : methodProblems(name, deployment))];
}

/** A method that is accepted and fails at night would be a backup that nobody takes. */
function methodProblems(name: string, { method, schedules = {} }: VolumeRuleInput): ProblemWithoutPlace[] {
  const named = [
    { path: ['deployments', name, 'method'], given: method },
    ...Object.entries(schedules).map(([schedule, { method: given }]) => ({
      path: ['deployments', name, 'schedules', schedule, 'method'],
      given,
    })),
  ];
  return named.flatMap(({ path, given }) =>
    given === undefined || given === 'logical'
      ? []
      : [
          {
            ...{ path, given, expected: 'logical, where no volume of the deployment can be found' },
            next: 'Name the EBS volumes of its members under volumes, or how they are found under ebs.',
          },
        ],
  );
}
