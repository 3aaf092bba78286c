/** Signs the approvals of the agents whose id ends in `-signed`; the server has the same. */
export const APPROVAL_SECRET = "a secret for approvals, at least 32 bytes long";
