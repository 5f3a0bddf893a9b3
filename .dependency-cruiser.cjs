const within = (path) => ({ path: `^(${path})` });
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** The layers of docs/developer-guide/architecture.md. @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    rule('no-cycles', 'A cycle hides which module decides.', {}, { circular: true }),
    rule('domain-is-pure', 'The domain imports itself and zod.', within('src/domain/'), {
      pathNot: '^(src/domain/|node_modules/zod/)',
    }),
    rule('ports-know-the-domain-only', '', within('src/application/ports/'), {
      pathNot: '^(src/domain/|src/application/ports/|node_modules/zod/)',
    }),
    rule(
      'application-knows-no-adapter',
      'Use cases see domain, ports and engine.',
      within('src/application/use-cases/'),
      {
        pathNot: '^(src/domain/|src/application/|src/engine/|node_modules/(zod|mongodb|bson)/)',
        dependencyTypesNot: ['core'],
      },
    ),
    rule('engine-knows-no-adapter', 'The engine sees domain, ports, the driver and Node.', within('src/engine/'), {
      pathNot: '^(src/domain/|src/application/ports/|src/engine/|node_modules/(mongodb|bson|zod)/)',
      dependencyTypesNot: ['core'],
    }),
    rule('adapters-implement', 'Adapters know no use case and no entrypoint.', within('src/adapters/'), {
      path: '^(src/application/use-cases|src/composition|lambdas|worker|cli|local|bin|lib)/',
    }),
    rule(
      'aws-sdk-only-in-its-adapter',
      '',
      { pathNot: '^(src/adapters/aws|test)/' },
      { path: '^node_modules/@aws-sdk/' },
    ),
    rule(
      'azure-sdk-only-in-its-adapter',
      '',
      { pathNot: '^(src/adapters/azure|test)/' },
      { path: '^node_modules/@azure/' },
    ),
    rule(
      'middy-only-in-lambdas',
      '',
      { pathNot: '^(lambdas|test)/' },
      { path: '^node_modules/@(middy|aws-lambda-powertools)/' },
    ),
    rule(
      'entrypoints-are-not-imported',
      'Only tests import an entrypoint; cli/ may use local/.',
      { pathNot: '^(lambdas|worker|cli|local|lib|test|bench|scripts)/' },
      {
        path: '^(lambdas|worker|cli|local)/',
      },
    ),
    rule(
      'lib-knows-contracts-only',
      'CDK sees the variables of entrypoints, the machines, domain and config: never a handler, a use case or an adapter.',
      within('(bin|lib)/'),
      {
        path: '^(src|lambdas|worker|local|cli|statemachines)/',
        pathNot: '^(src/(domain|config)/|lambdas/[^/]+/env\\.ts$|worker/env\\.ts$|statemachines/manifest\\.ts$)',
      },
    ),
    rule('lambdas-import-no-entrypoint', '', within('lambdas/'), { path: '^(worker|cli|local|bin|lib)/' }),
    rule('cli-imports-local-only', '', within('cli/'), { path: '^(lambdas|worker)/' }),
    rule('local-imports-no-entrypoint', '', within('local/'), { path: '^(lambdas|worker|cli)/' }),
    rule('worker-imports-no-entrypoint', '', within('worker/'), { path: '^(lambdas|cli|local)/' }),
    rule(
      'product-imports-no-test',
      'What writes committed documents synthesises the stage of the tests.',
      { pathNot: '^(test|bench|scripts/generate-)' },
      { path: '^(test|bench)/' },
    ),
    rule(
      'no-vague-names',
      'Name the thing.',
      {},
      { path: '/(utils?|helpers?|common|misc|types)(/|\\.ts$)', pathNot: 'node_modules' },
    ),
    rule('resolvable', '', {}, { couldNotResolve: true }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
