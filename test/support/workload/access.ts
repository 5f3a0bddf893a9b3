import { type Maker } from './operation.ts';

const role: Maker = ({ client }, random) => {
  const [db, name, other] = [random.pick(['admin', 'x']), `role${random.below(4)}`, random.pick(['read', 'readWrite'])];
  const kind = random.pick(['create', 'create', 'update', 'grant', 'drop']);
  const privileges = [{ resource: { db: 'x', collection: `c${random.below(3)}` }, actions: ['find'] }];
  const roles = [{ role: other, db: 'x' }];
  const runs: Record<string, object> = {
    create: { createRole: name, privileges, roles },
    update: { updateRole: name, privileges, roles },
    grant: { grantPrivilegesToRole: name, privileges },
    drop: { dropRole: name },
  };
  return { kind: `${kind}Role`, detail: `${db}.${name} ${other}`, run: () => client.db(db).command(runs[kind] ?? {}) };
};

const user: Maker = ({ client }, random) => {
  const [db, name] = [random.pick(['admin', 'x']), `user${random.below(4)}`];
  const roles = random.below(2) === 0 ? [{ role: 'read', db: 'x' }] : [{ role: `role${random.below(4)}`, db }];
  const kind = random.pick(['create', 'create', 'password', 'grant', 'drop']);
  const mechanisms = ['SCRAM-SHA-1'];
  const runs: Record<string, object> = {
    create: { createUser: name, pwd: 'for this test', roles, mechanisms },
    password: { updateUser: name, pwd: `changed ${random.below(9)}`, customData: { n: random.below(9) }, mechanisms },
    grant: { grantRolesToUser: name, roles },
    drop: { dropUser: name },
  };
  return {
    kind: `${kind}User`,
    detail: `${db}.${name} ${JSON.stringify(roles)}`,
    run: () => client.db(db).command(runs[kind] ?? {}),
  };
};

export const accessOperations: readonly (readonly [Maker, number])[] = [
  [role, 3],
  [user, 4],
];
