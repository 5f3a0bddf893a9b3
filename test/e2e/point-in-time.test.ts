import { describePointInTime } from '../support/workload/point-in-time-suite.ts';

describePointInTime('1', 3);
