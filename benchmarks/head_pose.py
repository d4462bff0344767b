"""Head pose from 68 landmarks by perspective-n-point: an estimator that shares nothing with the codec's models.

Fourteen of dlib's landmarks against a generic rigid head (the points of the widely used model after X. Zhu and D.
Ramanan's annotations), fitted by Levenberg-Marquardt with a camera whose focal length is four picture sides, as for
a face that fills a small part of the view.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LANDMARKS = (17, 21, 22, 26, 36, 39, 42, 45, 31, 35, 48, 54, 57, 8)
# Right, down, away from the camera; the unit does not matter.
HEAD: Array = -np.array(
    [
        (6.825897, 6.760612, 4.402142),
        (1.330353, 7.122144, 6.903745),
        (-1.330353, 7.122144, 6.903745),
        (-6.825897, 6.760612, 4.402142),
        (5.311432, 5.485328, 3.987654),
        (1.789930, 5.393625, 4.413414),
        (-1.789930, 5.393625, 4.413414),
        (-5.311432, 5.485328, 3.987654),
        (2.005628, 1.409845, 6.165652),
        (-2.005628, 1.409845, 6.165652),
        (2.774015, -2.080775, 5.048531),
        (-2.774015, -2.080775, 5.048531),
        (0.0, -3.116408, 6.097667),
        (0.0, -7.415691, 4.070434),
    ]
)
_FOCAL_SIDES = 4.0
_ROUNDS = 60


def rotation_of(angles: Array) -> Array:
    """R_z(roll) R_y(yaw) R_x(pitch) of (pitch, yaw, roll) in radians, [3, 3]."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def angles_of(rotation: Array) -> Array:
    """Pitch, yaw, roll in radians of a rotation [3, 3], |yaw| < 90 degrees."""
    pitch = math.atan2(rotation[2, 1], rotation[2, 2])
    return np.array(
        [pitch, -math.asin(max(-1.0, min(1.0, rotation[2, 0]))), math.atan2(rotation[1, 0], rotation[0, 0])]
    )


def project(parameters: Array, side: float) -> Array:
    """The head's points in pixels, [14, 2]; parameters: angles, place in head units, logarithm of the distance."""
    points = HEAD @ rotation_of(parameters[:3]).T
    distance = math.exp(parameters[5])
    scale = _FOCAL_SIDES * side / (distance + points[:, 2:])
    return (points[:, :2] + parameters[3:5]) * scale + side / 2


def head_pose(landmarks: NDArray[np.floating], side: int) -> Array:
    """Rotation matrix [3, 3] of the head whose 68 landmarks, in pixels of a square picture, are given."""
    seen = np.asarray(landmarks, np.float64)[list(LANDMARKS)]
    spread = np.linalg.norm(seen - seen.mean(0), axis=1).mean() / np.linalg.norm(HEAD[:, :2], axis=1).mean()
    distance = _FOCAL_SIDES * side / spread
    parameters = np.array([0.0, 0.0, 0.0, 0.0, 0.0, math.log(distance)])
    parameters[3:5] = (seen.mean(0) - side / 2) / spread - HEAD[:, :2].mean(0)
    damping, error = 1e-3, _residual(parameters, seen, side)
    for _ in range(_ROUNDS):
        jacobian = np.stack([_residual(parameters + step, seen, side) - error for step in 1e-5 * np.eye(6)], 1) / 1e-5
        normal = jacobian.T @ jacobian
        change = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), -jacobian.T @ error)
        tried = _residual(parameters + change, seen, side)
        if tried @ tried < error @ error:
            parameters, error, damping = parameters + change, tried, damping / 3
        else:
            damping *= 4
        if np.abs(change).max() < 1e-7:
            break
    return rotation_of(parameters[:3])


def _residual(parameters: Array, seen: Array, side: float) -> Array:
    return (project(parameters, side) - seen).ravel()
