import { describeEveryMethod } from '../../support/workload/every-method-suite.ts';

describeEveryMethod('11-20', 5);
