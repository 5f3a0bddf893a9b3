import { describeExactness, seedsFromEnvironment } from '../../support/workload/exactness-suite.ts';

// Four files, so that vitest --shard and several workers share the seeds.
const seeds = seedsFromEnvironment('1-40').filter((seed) => seed % 4 === 1);
describeExactness('every restore equals the source at its restore time', seeds, (seed) => ({
  oracle: seed % 3 === 0 ? 'frozen' : 'quiesced',
  pace: seed % 5 === 0 ? 10 : 4,
}));
