import { describeExactness, seedsFromEnvironment } from '../../support/workload/exactness-suite.ts';

const seeds = seedsFromEnvironment('101-108');
describeExactness('a backup whose workers were killed restores as exactly as an undisturbed one', seeds, (seed) => ({
  oracle: seed % 3 === 0 ? 'frozen' : 'quiesced',
  pace: 4,
  kills: 1 + (seed % 4),
}));
