"""Training: a recipe names data, model, objective and schedule; one loop trains them all.

python -m training --recipe edsr_x4 --data photos/
"""
