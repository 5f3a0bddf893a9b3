import { describeEveryMethod } from '../../support/workload/every-method-suite.ts';

describeEveryMethod('1-10', 5);
