//! The light CL: follow sources, their checks, and the follow actor.
