import { describePointInTime } from '../../support/workload/point-in-time-suite.ts';

describePointInTime('21-40', 5);
