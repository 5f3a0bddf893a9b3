export {
  forgetProcess,
  makeOwnDirectory,
  removeOwnDirectory,
  watchProcess,
} from '../../src/adapters/process/reaper.ts';
