import type { Command } from 'commander';
import { loadConfig } from '../../src/config/load-config.ts';
import { backupRole, restoreRole, roleCommands, suggestedUsers } from '../../src/domain/privileges.ts';
import { configuredDeployment } from '../../src/domain/settings.ts';
import type { ProgramOptions } from '../command-runner.ts';

export function registerRoles(program: Command, { run }: ProgramOptions): void {
  program
    .command('roles')
    .description('print the mongosh commands that create the database users of a deployment')
    .argument('<deployment>', 'name in the config')
    .action(async (name: string, _flags: object, command: Command) => {
      await run(command, async (session) => {
        const deployment = configuredDeployment(await loadConfig(session.configPath), name);
        const roles = { backup: backupRole(deployment), restore: restoreRole() };
        session.print({ deployment: name, users: suggestedUsers, roles }, () =>
          [
            deployment.lock === true
              ? '// The backup user: reads, and locks members against writes (lock: true in the config).'
              : '// The backup user: reads, and nothing else.',
            roleCommands(roles.backup, suggestedUsers.backup),
            '',
            '// The restore user: only on servers that are restored to. A restore needs any action (consistency rule 18).',
            roleCommands(roles.restore, suggestedUsers.restore),
          ].join('\n'),
        );
      });
    });
}
