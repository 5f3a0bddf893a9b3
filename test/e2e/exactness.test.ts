import { describeExactness, seedsFromEnvironment } from '../support/workload/exactness-suite.ts';

const seeds = seedsFromEnvironment('1-6');
describeExactness('a restore equals the source at its restore time', seeds, (seed) => ({
  oracle: seed % 6 === 3 ? 'frozen' : 'quiesced',
  pace: 1,
  // Seeds 2 and 5: workers that are killed.
  kills: seed % 3 === 2 ? 2 : 0,
}));
