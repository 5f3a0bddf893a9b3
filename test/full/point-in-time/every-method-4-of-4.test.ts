import { describeEveryMethod } from '../../support/workload/every-method-suite.ts';

describeEveryMethod('31-40', 5);
